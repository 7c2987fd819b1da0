"""Does a test fail when the product is made wrong on purpose? `make mutants`; what was found: docs/mutation.md."""
