"""How an office comes to its first login: proofs, mailed PINs, the steps and their end."""
