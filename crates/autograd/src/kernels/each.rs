//! One loop over arrays of the same length, for everything that runs number by number.

use super::PAD;

/// Calls `f(the numbers of x at a place, those of y, the place in out)` for each place. Arrays of one line of 16
/// numbers, which small models are made of, take straight code that becomes one vector; a loop would take them for its
/// remainder and go number by number.
#[inline(always)]
pub(crate) fn each<A: Copy, B, const N: usize, const M: usize>(
    x: [&[A]; N],
    y: [&[A]; M],
    out: &mut [B],
    mut f: impl FnMut([A; N], [A; M], &mut B),
) {
    if let Ok(out) = <&mut [B; PAD]>::try_from(&mut *out) {
        let line = |x: &[A]| -> [A; PAD] { x[..PAD].try_into().expect("as many as the output") };
        let (x, y) = (x.map(line), y.map(line));
        for i in 0..PAD {
            f(x.map(|x| x[i]), y.map(|y| y[i]), &mut out[i]);
        }
        return;
    }
    let len = out.len();
    let (x, y) = (x.map(|x| &x[..len]), y.map(|y| &y[..len]));
    for i in 0..len {
        f(x.map(|x| x[i]), y.map(|y| y[i]), &mut out[i]);
    }
}
