"""That a copy and Intacct agree, now and afterwards."""
