"""What generated images are measured by, and measurements over many settings."""
