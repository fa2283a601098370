//! The forward-mode rule of an operation that has only its reverse-mode rule.

use std::cell::RefCell;

use crate::Float;
use crate::engine::operation::{Jvp, Operation, Vjp};
use crate::engine::tape::Tape;
use crate::engine::tensor::{Sweep, Tensor};
use crate::engine::value::Value;
use crate::engine::var::Var;

/// A reverse-mode rule over variables.
type RecordedRule<'r, T> = &'r dyn for<'a, 't> Fn(&Vjp<'a, T, Var<'t, T>>);

impl<'s, T: Float> Jvp<'_, 's, T> {
    /// The forward-mode rule of any operation, derived from [`Operation::vjp`]. That rule computes `Jᵀ g` for a
    /// gradient g, and `J t` is the derivative of the number `⟨Jᵀ g, t⟩` by g. So the rule is recorded on a tape of its
    /// own, and a sweep over that tape gives the derivative.
    pub fn transposed<O: Operation<T>>(&self, operation: &O) -> Option<Value<'s, T>> {
        self.transposed_rule(&|cx| {
            operation.vjp(cx);
            cx.check(operation.name());
        })
    }

    // apart from `transposed`, since it does not know the operation and would be compiled anew for each
    fn transposed_rule(&self, rule: RecordedRule<'_, T>) -> Option<Value<'s, T>> {
        let tape = Tape::mathematics();
        let inputs: Vec<Var<'_, T>> = self.inputs.iter().map(|x| tape.var(x.array())).collect();
        let output = tape.constant(self.output.array());
        let g = tape.var(self.output.zeros().array());
        let indices: Vec<u32> = inputs.iter().map(|v| v.index()).collect();
        let mut gradients: Vec<RefCell<Option<_>>> = Vec::new();
        gradients.resize_with(output.index() as usize, RefCell::default);
        gradients.push(RefCell::new(Some(g.into())));
        let cx: Vjp<'_, T, Var<'_, T>> = Vjp::new(&tape, (output.index(), &indices), &gradients, None);
        rule(&cx);
        let terms = gradients.iter().zip(&inputs).zip(self.tangents).filter_map(|((sum, x), tangent)| {
            let gradient = Var::total(sum.take()?, &tape, x.index());
            Some((gradient * tape.constant(tangent.as_ref()?.array())).sum())
        });
        let product = terms.reduce(|sum, term| sum + term)?;
        let gradient = product.backward().wrt(g);
        Some(self.output.constant(self.output.shape(), |out| {
            out.iter_mut().zip(&gradient).for_each(|(out, &x)| *out = x);
        }))
    }
}
