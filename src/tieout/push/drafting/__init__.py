"""A first [push.NAME] section: proposed from the model and the head of a file. Decides nothing for the user."""
