"""What the plan says to everybody: phone lines, lines of business, terms, reviews of translations."""
