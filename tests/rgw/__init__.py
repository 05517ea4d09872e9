"""The product's own code against Ceph RGW, an implementation of S3 and STS that shares nothing with moto or boto."""
