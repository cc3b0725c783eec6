"""What the product is made of: secrets, insecure code, bills of materials, licences."""
