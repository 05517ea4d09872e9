"""What GitOps tools run of ours: Lua of Argo CD, CEL of Flux, and their comparison of Git with the cluster."""
