"""Pages of app developers: what there is to build on, sign-up, one's own apps and their reviews."""
