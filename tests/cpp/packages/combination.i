# to = 2 a - 3 b: two inputs, so that batches can be broadcast against one another.
[Models]
  [combination]
    type = SR2LinearCombination
    from = 'a b'
    to = to
    weights = '2 -3'
  []
[]
