"""What the command line asks a control plane that runs elsewhere, and how the answers look to people and to programs."""
