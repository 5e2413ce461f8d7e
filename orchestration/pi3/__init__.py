"""`pi3`, the operator's command. What takes long to import is imported in the commands, so that completion is quick."""
