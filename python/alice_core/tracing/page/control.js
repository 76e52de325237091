// Loops and choices, whose bodies are programs of their own.
{
  const given = (body, inputs) => evaluate(body, [...inputs]).outputs;
  const row = (x, i) => {
    const shape = x.shape.slice(1), n = count(shape);
    return { shape, dtype: x.dtype, data: x.data.subarray(i * n, (i + 1) * n) };
  };

  // A step takes constants, the carry, and an item of each further input; it gives the carry and an item of each stack.
  ops.scan = (inputs, [[body], [nConsts, nCarry], length, reverse, counted], types) => {
    const steps = counted ? Math.min(inputs[0].data[0], length) : length, own = counted ? inputs.slice(1) : inputs;
    const consts = own.slice(0, nConsts), items = own.slice(nConsts + nCarry);
    const stacks = types.slice(nCarry).map(empty);
    let carry = own.slice(nConsts, nConsts + nCarry);
    for (let k = 0; k < steps; ++k) {
      const at = reverse ? steps - 1 - k : k;
      const made = given(body, [...consts, ...carry, ...items.map((x) => row(x, at))]);
      carry = made.slice(0, nCarry);
      made.slice(nCarry).forEach((y, j) => stacks[j].data.set(y.data, at * y.data.length));
    }
    return [...carry, ...stacks];
  };

  const MOST_STEPS = 100000; // the page has to answer
  ops.while_loop = (inputs, [[condition, body], [nAsked, nConsts], mostSteps], types) => {
    const asked = inputs.slice(0, nAsked), consts = inputs.slice(nAsked, nAsked + nConsts);
    let carry = inputs.slice(nAsked + nConsts);
    const stacks = types.slice(carry.length, -1).map(empty), steps = empty(types[types.length - 1]);
    const most = mostSteps ?? MOST_STEPS;
    for (; given(condition, [...asked, ...carry])[0].data[0]; ++steps.data[0]) {
      if (steps.data[0] >= most) {
        if (mostSteps === null) throw new RangeError(`a loop took more than ${MOST_STEPS} steps`);
        throw new RangeError(`a loop goes on after its max_steps, ${mostSteps}`);
      }
      const made = given(body, [...consts, ...carry]);
      made.slice(carry.length).forEach((y, j) => stacks[j].data.set(y.data, steps.data[0] * y.data.length));
      carry = made.slice(0, carry.length);
    }
    return [...carry, ...stacks, steps];
  };

  ops.switch = ([index, ...operands], [branches]) => {
    const chosen = branches[index.data[0]];
    if (!chosen) throw new RangeError(`there is no branch ${index.data[0]} of ${branches.length}`);
    return given(chosen, operands);
  };
}
