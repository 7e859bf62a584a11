"""Export of the tree over NFS: one interface, NFS-Ganesha and the kernel's server behind it."""
