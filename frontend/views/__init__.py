"""What the job and attack pages are made of: pure functions from REST documents to components."""
