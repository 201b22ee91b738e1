"""From the facts of a case to the words of a mail."""
