//! Which instruction set the loops run with, found once at run time.
//!
//! A build for plain x86-64 may only use SSE2; each loop of this folder is therefore compiled three times and
//! picked here. `GRADUS_SIMD=baseline|avx2|avx512` forces a level (one the processor has), which is how the
//! fallbacks are tested.

use std::sync::OnceLock;

/// An instruction set, with the proof that this processor has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    /// What every processor of the architecture has: SSE2 on x86-64, NEON on 64-bit ARM.
    Baseline,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    V3(x86::V3),
    /// AVX-512.
    #[cfg(target_arch = "x86_64")]
    V4(x86::V4),
}

#[cfg(target_arch = "x86_64")]
pub(crate) mod x86 {
    macro_rules! instruction_set {
        ($name:ident, $features:tt, [$($feature:tt),*]) => {
            /// The proof that this processor has the instructions: only [`Self::try_new`] makes one.
            #[derive(Clone, Copy, Debug)]
            pub(crate) struct $name(());

            impl $name {
                pub(crate) fn try_new() -> Option<Self> {
                    ($(is_x86_feature_detected!($feature))&&*).then_some($name(()))
                }
                /// Runs `f`, which must be `#[inline(always)]`, compiled for these instructions.
                #[inline(always)]
                pub(crate) fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
                    #[target_feature(enable = $features)]
                    fn compiled<R>(f: impl FnOnce() -> R) -> R {
                        f()
                    }
                    // SAFETY: `self` is the proof that this processor has the features.
                    #[allow(unsafe_code)]
                    unsafe {
                        compiled(f)
                    }
                }
            }
        };
    }
    instruction_set!(V3, "avx2,fma,bmi1,bmi2,lzcnt,popcnt", ["avx2", "fma", "bmi1", "bmi2", "lzcnt", "popcnt"]);
    instruction_set!(
        V4,
        "avx2,fma,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl",
        ["avx2", "fma", "bmi1", "bmi2", "lzcnt", "popcnt", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]
    );
}

/// The best instruction set of this processor.
#[inline]
pub(crate) fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let asked = std::env::var("GRADUS_SIMD").unwrap_or_default();
    let known = ["", "baseline", "avx2", "avx512"].contains(&&*asked);
    assert!(known, "GRADUS_SIMD is `{asked}`; it may be baseline, avx2 or avx512");
    let v4 = (asked.is_empty() || asked == "avx512").then(x86::V4::try_new).flatten().map(Level::V4);
    let v3 = (asked != "baseline").then(x86::V3::try_new).flatten().map(Level::V3);
    v4.or(v3).unwrap_or(Level::Baseline)
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Baseline
}

/// Compiles an expression once for each instruction set and runs the one that fits this processor.
/// Inside it, the named constant says which arithmetic `Lane` may use; a second one, how many bytes a register holds.
macro_rules! dispatch {
    ($mode:ident => $body:expr) => {
        $crate::kernels::simd::dispatch!($mode, _BYTES => $body)
    };
    ($mode:ident, $bytes:ident => $body:expr) => {
        match $crate::kernels::simd::level() {
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::simd::Level::V4(simd) => simd.vectorize(
                #[inline(always)]
                || {
                    const $mode: u8 = $crate::kernels::math::FMA;
                    const $bytes: usize = 64;
                    $body
                },
            ),
            #[cfg(target_arch = "x86_64")]
            $crate::kernels::simd::Level::V3(simd) => simd.vectorize(
                #[inline(always)]
                || {
                    const $mode: u8 = $crate::kernels::math::FMA;
                    const $bytes: usize = 32;
                    $body
                },
            ),
            $crate::kernels::simd::Level::Baseline => {
                const $mode: u8 = $crate::kernels::math::BASELINE;
                const $bytes: usize = 16;
                $body
            }
        }
    };
}
pub(crate) use dispatch;

/// [`dispatch!`] for code of other crates of the workspace: runs `f`, which must be `#[inline(always)]`,
/// compiled for the best instruction set.
#[doc(hidden)]
#[inline(always)]
pub fn vectorize<R>(f: impl FnOnce() -> R) -> R {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::V4(simd) => simd.vectorize(f),
        #[cfg(target_arch = "x86_64")]
        Level::V3(simd) => simd.vectorize(f),
        Level::Baseline => f(),
    }
}
