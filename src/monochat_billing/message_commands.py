"""Message commands: hold for a send, note what was sent, apply statuses, as functions from state to step."""
