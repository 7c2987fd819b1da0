"""Claims Inquiry and Eligibility."""
