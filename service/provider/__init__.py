"""The provider portal: what provider offices and their billing firms see."""
