SELECT d.code, d.shelf, d.amount, d.cost, d.tags FROM input.deliveries AS d
