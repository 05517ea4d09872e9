"""The customer's side in AWS: the role, the bucket, and what lies in it."""
