//! One loop over arrays of the same length, for everything that runs number by number.

use super::PAD;

/// The numbers of the arrays at a place. A plain loop, because the standard library's `map` is compiled anew for each
/// closure (written out in the loops of the rules, it was four fifths of the crate's code), and not always inlined.
#[inline(always)]
fn at<A: Copy + Default, X: AsRef<[A]>, const N: usize>(x: &[X; N], i: usize) -> [A; N] {
    let mut numbers = [A::default(); N];
    for k in 0..N {
        numbers[k] = x[k].as_ref()[i];
    }
    numbers
}

#[inline(always)]
fn line<A: Copy>(x: &[A]) -> [A; PAD] {
    x[..PAD].try_into().expect("as many as the output")
}

#[inline(always)]
fn cut<A, const N: usize>(x: [&[A]; N], len: usize) -> [&[A]; N] {
    x.map(
        #[inline(always)]
        |x| &x[..len],
    )
}

/// Calls `f(the numbers of x at a place, those of y, the place in out)` for each place. Arrays of one line of 16
/// numbers, which small models are made of, take straight code that becomes one vector; a loop would take them for its
/// remainder and go number by number.
#[inline(always)]
pub(crate) fn each<A: Copy + Default, B, const N: usize, const M: usize>(
    x: [&[A]; N],
    y: [&[A]; M],
    out: &mut [B],
    mut f: impl FnMut([A; N], [A; M], &mut B),
) {
    if let Ok(out) = <&mut [B; PAD]>::try_from(&mut *out) {
        let (x, y) = (x.map(line::<A>), y.map(line::<A>));
        for i in 0..PAD {
            f(at(&x, i), at(&y, i), &mut out[i]);
        }
        return;
    }
    let len = out.len();
    let (x, y) = (cut(x, len), cut(y, len));
    for i in 0..len {
        f(at(&x, i), at(&y, i), &mut out[i]);
    }
}
