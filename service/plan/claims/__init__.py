"""What the plan's claims say, read from the stored ExplanationOfBenefit: the same facts for whoever may see them."""
