"""Files from the network: checked, resumable, safely extracted."""
