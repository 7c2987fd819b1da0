"""The Interoperability Resource Center: what members and their representatives see."""
