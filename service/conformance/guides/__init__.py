"""What the guides ask of a server's searches, as data, and how that data is made from what they publish."""
