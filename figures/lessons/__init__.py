"""What single notebooks draw with. No experiment imports from here."""
