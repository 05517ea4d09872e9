"""The Kubernetes side: client, work queue, leader election."""
