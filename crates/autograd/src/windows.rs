//! Windows that slide over images.

use std::ops::Range;

/// Where windows lie: `[vertical, horizontal]` each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
    pub(crate) dilation: [usize; 2],
}

impl Windows {
    /// How many windows there are, down and across: `⌊(size + 2 padding − dilation (kernel − 1) − 1) / stride⌋ + 1`.
    pub(crate) fn counts(&self, size: [usize; 2]) -> Result<[usize; 2], String> {
        let Windows { kernel, stride, padding, dilation } = self;
        if kernel.contains(&0) || stride.contains(&0) || dilation.contains(&0) {
            return Err(format!("kernel {kernel:?}, stride {stride:?} and dilation {dilation:?} must not be 0"));
        }
        let mut counts = [0; 2];
        for d in 0..2 {
            let span = dilation[d].checked_mul(kernel[d] - 1).and_then(|span| span.checked_add(1));
            let room = padding[d].checked_mul(2).and_then(|zeros| zeros.checked_add(size[d]));
            let (Some(span), Some(room)) = (span, room) else {
                return Err(format!("padding {padding:?} or dilation {dilation:?} is too large for any image"));
            };
            if span > room {
                return Err(format!(
                    "a window of {span} is larger than the {} of {} with padding {}",
                    ["height", "width"][d],
                    size[d],
                    padding[d]
                ));
            }
            counts[d] = (room - span) / stride[d] + 1;
        }
        Ok(counts)
    }

    /// For offset `k` in the window along direction `d`: the windows for which it lies inside `size` places, as
    /// `first..behind the last`, and the place of the first.
    #[inline(always)]
    pub(crate) fn inside(&self, d: usize, k: usize, size: usize, count: usize) -> (Range<usize>, usize) {
        let (at, padding, stride) = (k * self.dilation[d], self.padding[d], self.stride[d]);
        let end = (size + padding).saturating_sub(at).div_ceil(stride).min(count);
        let start = padding.saturating_sub(at).div_ceil(stride).min(end);
        (start..end, (start * stride + at).wrapping_sub(padding))
    }

    /// Calls `f(number of the offset, place of a window, place in the image, how many windows)` for each row of windows
    /// and each offset of the kernel, with the windows for which it lies inside the image. They read places that are
    /// the horizontal stride apart.
    #[inline(always)]
    pub(crate) fn runs(
        &self,
        [height, width]: [usize; 2],
        [down, across]: [usize; 2],
        mut f: impl FnMut(usize, usize, usize, usize),
    ) {
        for i in 0..self.kernel[0] {
            let (rows, top) = self.inside(0, i, height, down);
            for j in 0..self.kernel[1] {
                let (columns, left) = self.inside(1, j, width, across);
                if !columns.is_empty() {
                    for (row, y) in rows.clone().zip((top..).step_by(self.stride[0])) {
                        let offset = i * self.kernel[1] + j;
                        f(offset, row * across + columns.start, y * width + left, columns.len());
                    }
                }
            }
        }
    }
}
