"""ExecuteSSISPackage: ``dtexec`` runs a package, where the operator names that program."""
