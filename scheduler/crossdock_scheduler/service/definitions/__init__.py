"""What people define: factories, and the objects in them."""
