//! Copies of rows.

/// Numbers from which on a call is no loss.
const LONG: usize = 256;

/// Copies a row. A short one is copied in pieces of a register, of which the last may overlap the one before: a call to
/// copy memory would take longer than the copy.
#[inline(always)]
pub(crate) fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    match from.len() {
        LONG.. => to.copy_from_slice(from),
        16.. => pieces::<T, 16>(from, to),
        8.. => pieces::<T, 8>(from, to),
        4.. => pieces::<T, 4>(from, to),
        _ => to.iter_mut().zip(from).for_each(|(to, &from)| *to = from),
    }
}

#[inline(always)]
fn pieces<T: Copy, const N: usize>(from: &[T], to: &mut [T]) {
    let last = from.len() - N;
    let mut at = 0;
    loop {
        let piece: [T; N] = from[at..at + N].try_into().expect("N numbers");
        to[at..at + N].copy_from_slice(&piece);
        if at == last {
            return;
        }
        at = (at + N).min(last);
    }
}
