"""Claims of the sandbox plan: drafted per kind, priced in order of service, rendered as CARIN ExplanationOfBenefit."""
