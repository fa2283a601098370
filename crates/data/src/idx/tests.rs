use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Result<Idx, IdxError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read_idx(file.path())
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const MATRIX: [u8; 18] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];

#[test]
fn plain_and_zipped_files_are_the_same() {
    let want = Idx::U8(ndarray::array![[1, 2, 3], [4, 5, 6]].into_dyn());
    assert_eq!(read(&MATRIX).unwrap(), want);
    assert_eq!(read(&zip(&MATRIX)).unwrap(), want);
}

#[test]
fn every_number_type_is_read_big_end_first() {
    let head = |kind| [0, 0, kind, 1, 0, 0, 0, 1];
    let with = |kind, bytes: &[u8]| read(&[&head(kind), bytes].concat()).unwrap();
    assert_eq!(with(0x09, &[0xff]), Idx::I8(ndarray::arr1(&[-1]).into_dyn()));
    assert_eq!(with(0x0b, &[0xff, 0xfe]), Idx::I16(ndarray::arr1(&[-2]).into_dyn()));
    assert_eq!(with(0x0c, &[0, 0, 1, 0]), Idx::I32(ndarray::arr1(&[256]).into_dyn()));
    assert_eq!(with(0x0d, &1.5f32.to_be_bytes()), Idx::F32(ndarray::arr1(&[1.5]).into_dyn()));
    assert_eq!(with(0x0e, &2.5f64.to_be_bytes()), Idx::F64(ndarray::arr1(&[2.5]).into_dyn()));
}

#[test]
fn every_malformed_file_is_an_error_that_names_file_and_place() {
    let big = [0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let zipped = zip(&MATRIX);
    let nothing = [&[0, 0, 8, 4, 0, 0, 0, 0], [0xff; 12].as_slice()].concat();
    let cases: [(&[u8], &str); 10] = [
        (&nothing, "byte 4: sizes [0, 4294967295, 4294967295, 4294967295] need more than"),
        (&[], "ends at byte 0, where 4 more"),
        (&[1, 0, 8, 1, 0, 0, 0, 0], "byte 0: not an IDX file: it starts with [01, 00]"),
        (&[0, 0, 7, 1, 0, 0, 0, 0], "byte 2: 0x07 is no IDX number type"),
        (&[0, 0, 8, 0], "byte 3: an array of 0 axes"),
        (&[0, 0, 8, 1, 0, 0], "ends at byte 6, where 2 more"),
        (&MATRIX[..15], "ends at byte 15, where 3 more"),
        (&[MATRIX.as_slice(), &[9]].concat(), "byte 18: more bytes follow"),
        (&big, "byte 4: sizes [4294967295, 4294967295, 4294967295] need more than"),
        (&zipped[..zipped.len() / 2], "cannot be read at byte"),
    ];
    for (bytes, message) in cases {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(message) && error.contains(".tmp"), "{bytes:02x?}: {error}");
    }
    assert!(matches!(read_idx("no/such/file").unwrap_err(), IdxError::Open { .. }));
}

proptest! {
    /// No bytes make the reader panic, hang, or ask for more memory than they hold.
    #[test]
    fn any_bytes_give_an_array_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64), zipped: bool) {
        let _ = read(&if zipped { zip(&bytes) } else { bytes.clone() });
        let mut after_head = vec![0, 0, 8, 1];
        after_head.extend(bytes);
        let _ = read(&after_head);
    }
}
