"""What the mount tests, the demo and the scale script share. Standard library only."""
