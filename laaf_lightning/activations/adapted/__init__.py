"""What an adapted model consists of: modules and forwards that stay what they are, with slopes."""
