"""That every source row is accounted for, and every posted record is in Intacct as it was sent."""
