"""What every PDF of ours is made of: a sheet with letters of its own, for names as people write them."""
