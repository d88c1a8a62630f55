"""What is not posted, for the people who can mend it: by cause, as a workbook, and back again."""
