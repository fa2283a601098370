use super::*;
use ndarray::array;

/// A file as NumPy 1.26 wrote it: `np.save("a.npy", np.array([[1, -2, 3], [4, 5, 6]], dtype=...))`.
fn numpy(descr: &str, fortran: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00v\x00".to_vec();
    bytes.extend(format!("{header:<117}\n").into_bytes());
    bytes.extend(numbers);
    bytes
}

fn read(bytes: &[u8]) -> Result<ArrayD<f64>, NpyError> {
    array(&mut &bytes[..], Path::new("a.npy"), &mut { LIMIT })
}

#[test]
fn every_number_type_is_read() {
    let expected = array![1.0, -2.0].into_dyn();
    let little = |descr: &str, bytes: &[&[u8]]| read(&numpy(descr, "False", "(2,)", &bytes.concat())).unwrap();
    assert_eq!(little("<f8", &[&1f64.to_le_bytes(), &(-2f64).to_le_bytes()]), expected);
    assert_eq!(little(">f8", &[&1f64.to_be_bytes(), &(-2f64).to_be_bytes()]), expected);
    assert_eq!(little("<f4", &[&1f32.to_le_bytes(), &(-2f32).to_le_bytes()]), expected);
    for native in ["=f8", "f8", "float64"] {
        assert_eq!(little(native, &[&1f64.to_ne_bytes(), &(-2f64).to_ne_bytes()]), expected, "{native}");
    }
    assert_eq!(little("int16", &[&1i16.to_ne_bytes(), &(-2i16).to_ne_bytes()]), expected);
    let double_quoted = String::from_utf8_lossy(&numpy("<i1", "False", "(2,)", &[])).replace('\'', "\"");
    let mut double_quoted =
        [b"\x93NUMPY\x01\x00v\x00", &double_quoted.as_bytes()[double_quoted.len() - 118..]].concat();
    double_quoted.extend([1, 254]);
    assert_eq!(read(&double_quoted).unwrap(), expected);
    assert_eq!(little("<f2", &[&[0, 0x3c], &[0, 0xc0]]), expected);
    assert_eq!(little("|i1", &[&[1, 254]]), expected);
    assert_eq!(little(">i2", &[&1i16.to_be_bytes(), &(-2i16).to_be_bytes()]), expected);
    assert_eq!(little("<i4", &[&1i32.to_le_bytes(), &(-2i32).to_le_bytes()]), expected);
    assert_eq!(little("<i8", &[&1i64.to_le_bytes(), &(-2i64).to_le_bytes()]), expected);
    assert_eq!(little("|u1", &[&[1, 254]]), array![1.0, 254.0].into_dyn());
    assert_eq!(little(">u4", &[&1u32.to_be_bytes(), &7u32.to_be_bytes()]), array![1.0, 7.0].into_dyn());
    assert_eq!(little("|b1", &[&[1, 0]]), array![1.0, 0.0].into_dyn());
    assert_eq!(read(&numpy("|u1", "False", "(2L, 1L)", &[1, 2])).unwrap().shape(), [2, 1]); // Python 2
    let columns_first = numpy("|u1", "True", "(2, 3)", &[1, 4, 2, 5, 3, 6]);
    assert_eq!(read(&columns_first).unwrap(), array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].into_dyn());
    assert_eq!(read(&numpy("|u1", "False", "()", &[9])).unwrap().shape(), [0usize; 0]);
    assert_eq!(read(&numpy("|u1", "False", "(0, 3)", &[])).unwrap().shape(), [0, 3]);
}

#[test]
fn what_is_wrong_is_named() {
    let error = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert!(error(b"PK").starts_with("a.npy: no NumPy array: its header"));
    assert_eq!(error(b"no array at all"), "a.npy: no NumPy array: it does not start with \\x93NUMPY");
    assert!(error(&numpy("<c8", "False", "(1,)", &[0; 8])).contains("numbers of type `<c8`"));
    assert!(error(&numpy("|O", "False", "(1,)", &[0; 8])).contains("`|O`"));
    assert_eq!(
        error(&numpy("<f4", "False", "(3,)", &[0; 8])),
        "a.npy: 8 bytes of numbers; type and shape [3] ask for 12"
    );
    assert_eq!(
        error(&numpy("<f4", "False", "(3,)", &[0; 16])),
        "a.npy: more than 12 bytes of numbers: perhaps another array follows; type and shape [3] ask for 12"
    );
    let single =
        array::<f32>(&mut &numpy("<f8", "False", "(1,)", &1e300f64.to_le_bytes())[..], Path::new("a.npy"), &mut {
            LIMIT
        });
    assert_eq!(single.unwrap_err().to_string(), "a.npy: 1e300 is too large for f32");
    for huge in ["(99999999999, 99999999999)", "(0, 9999999999999999999)", "(1099511627776, 1048576)", "(-1,)"] {
        assert!(error(&numpy("<f8", "False", huge, &[])).starts_with("a.npy: "), "{huge}");
    }
    let whole = numpy("<f4", "False", "(2,)", &[0; 8]);
    for place in 0..whole.len() {
        for bit in [1, 4, 64] {
            let mut bytes = whole.clone();
            bytes[place] ^= bit;
            let _ = read(&bytes); // may be read, may be refused, does not panic
        }
        assert!(read(&whole[..place]).is_err());
    }
}

#[test]
fn a_small_archive_cannot_ask_for_much_memory() {
    // zeros pack well, so a small archive could hold this: two members that say they are 1 GiB of bytes each
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.npz");
    let mut archive = ZipWriter::new(File::create(&path).unwrap());
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (1073741824,), }";
    for name in ["a.npy", "b.npy"] {
        archive.start_file(name, SimpleFileOptions::default()).unwrap();
        archive.write_all(b"\x93NUMPY\x01\x00v\x00").unwrap();
        archive.write_all(format!("{text:<117}\n").as_bytes()).unwrap();
    }
    archive.finish().unwrap();
    let error = read_npz::<f64>(&path).unwrap_err();
    assert!(matches!(error, NpyError::TooLarge { .. }) && error.to_string().contains("a.npy"), "{error}");
}

#[test]
fn archives_name_what_is_wrong_in_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    write_npz(&path, [("x", array![[1.5f32]].into_dyn().view())]).unwrap();
    assert_eq!(read_npz::<f64>(&path).unwrap(), [("x".to_owned(), array![[1.5]].into_dyn())]);
    let mut bytes = std::fs::read(&path).unwrap();
    let at = bytes.windows(6).position(|w| w == b"\x93NUMPY").unwrap();
    bytes[at] = 0;
    std::fs::write(&path, &bytes).unwrap();
    let error = read_npz::<f64>(&path).unwrap_err().to_string();
    assert!(error.contains("x.npy"), "{error}");
    std::fs::write(&path, b"no archive").unwrap();
    assert!(matches!(read_npz::<f64>(&path), Err(NpyError::Archive { .. })));
}
