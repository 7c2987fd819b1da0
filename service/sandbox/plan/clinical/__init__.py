"""Clinical records of the sandbox plan, in the profiles of US Core 6.1.0."""
