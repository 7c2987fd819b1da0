"""The sandbox plan: fictitious members with their claims and clinical records, generated from a seed alone."""
