use super::*;
use ndarray::array;

fn parse(csv: Csv, text: &str) -> Table {
    csv.parse(text, "t.csv").unwrap()
}

#[test]
fn separators_headers_marks_and_comments_are_settings_and_errors_name_them() {
    let error = |text: &str| Csv::new().parse(text, "t.csv").unwrap_err().to_string();
    let wine = error("\"acid\";\"quality\"\n7.4;5\n");
    assert!(wine.contains("one column") && wine.contains(".separator(';')"), "{wine}");
    let heart = error("63.0,1.0,145\n67.0,0.0,160\n");
    assert!(heart.contains("63.0, 1.0, 145") && heart.contains("header(false)"), "{heart}");
    assert!(error("1.0,1.0\n2,3\n").contains("header(false)"));
    assert!(error("1 2  3\n4 5 6\n").contains("blanks()"));
    let table = parse(Csv::new().blanks().header(false), "  1 2\t\t3 \r\n\n   4  5 6\n");
    assert_eq!(table.matrix::<f64>(&["0", "1", "2"]).unwrap(), array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let table = parse(Csv::new().separator('\t').comments('%'), "%x\na\tb\n1\t2\n% y\n\n3\t4,5\n");
    let error = table.numbers::<f64>("b").unwrap_err().to_string();
    assert!(
        error.starts_with("t.csv, line 6, column `b`: `4,5` is not a number; if that is a decimal comma"),
        "{error}"
    );
    let years = parse(Csv::new().header(true), "2019,2020\n1,2\n");
    assert_eq!(years.columns(), ["2019", "2020"]);
    let gaps = parse(Csv::new(), "v,k\n1,a\nNULL,b\nN/A,a\n");
    assert_eq!((gaps.missing("v").unwrap(), gaps.complete(&["v"]).unwrap().len()), (2, 1));
}

#[test]
fn files_are_read_as_they_are_found() {
    let quoted = parse(Csv::new(), "name, place\n \"a\",  \"x, y\"\nb, c\n");
    assert_eq!(quoted.texts("place").unwrap(), ["x, y", "c"]);
    let spaced = parse(Csv::new(), "a,b\n1,2\n   \n \t\n3,4\n");
    assert_eq!(spaced.numbers::<f64>("b").unwrap(), array![2.0, 4.0]);
    let truth = parse(Csv::new(), "a\nTrue\nfalse\n");
    assert_eq!(truth.numbers::<f64>("a").unwrap(), array![1.0, 0.0]);
    let marked = parse(Csv::new(), "\u{feff}a,b\n1,2\n");
    assert_eq!(marked.columns(), ["a", "b"]);
    let mac = parse(Csv::new(), "a,b\r1,2\r3,x\r");
    assert!(mac.numbers::<f64>("b").unwrap_err().to_string().starts_with("t.csv, line 3, "));
    let windows = parse(Csv::new(), "a,b\r\n1,2\r\n\r\n3,x\r\n");
    assert!(windows.numbers::<f64>("b").unwrap_err().to_string().starts_with("t.csv, line 4, "));
    let inner = parse(Csv::new(), "a,b\n \"say \"\"hi\"\", \"\"bye\"\"\",1\n");
    assert_eq!(inner.texts("a").unwrap(), ["say \"hi\", \"bye\""]);
    let commented = parse(Csv::new().comments('#'), "# a, \"b\na,b\n1, \"x, y\"\n#\n2,#3\n");
    assert_eq!(commented.texts("b").unwrap(), ["x, y", "#3"]);
    let old = parse(Csv::new().comments('#'), "#c\ra,b\r1,2\r#d\r3,4\r");
    assert_eq!(old.numbers::<f64>("b").unwrap(), array![2.0, 4.0]);
    let empty = parse(Csv::new(), "a\n1\n\"\"\n2\n");
    assert_eq!((empty.len(), empty.missing("a").unwrap()), (3, 1));
    let tabs = parse(Csv::new().separator('\t'), "a\tb\n1\t2\n\t\n  \n3\t4\n");
    assert_eq!((tabs.len(), tabs.missing("b").unwrap()), (3, 1));
    let marked = parse(Csv::new().missing(&["-999"]), "q\n5\n-999\n");
    assert!(marked.numbers::<f64>("q").unwrap_err().to_string().contains("nothing there (`-999`)"));
    assert!(parse(Csv::new().decimal_comma(true), "q\n1.234\n").numbers::<f64>("q").is_err());
    let lines = parse(Csv::new(), "a,b\n\"1\n2\",2\n3,x\n");
    assert!(lines.numbers::<f64>("b").unwrap_err().to_string().starts_with("t.csv, line 4, "));
    assert_eq!(parse(Csv::new(), "").columns(), Vec::<String>::new().as_slice());
}

#[test]
fn comments_and_other_encodings_are_told() {
    let error = |bytes: &[u8]| Csv::new().read_bytes(bytes, Path::new("t.csv")).unwrap_err().to_string();
    let first = error(b"# of the cellar\na,b\n1,2\n");
    assert!(first.contains("begins with `#`") && first.contains("Csv::new().comments('#')"), "{first}");
    assert!(first.contains(".header(true)"), "{first}");
    let later = error(b"a,b\n1,2\n% the second part\n3,4\n");
    assert!(later.starts_with("t.csv: line 3 has 1 cells") && later.contains("comments('%')"), "{later}");
    let with_separator = Csv::new().parse("a,b\n# mine, and yours\n1,2\n", "t.csv").unwrap().numbers::<f64>("a");
    let with_separator = with_separator.unwrap_err().to_string();
    assert!(with_separator.contains("`# mine` is not a number") && with_separator.contains("comments('#')"));
    let names = Csv::new().header(true).parse("#a,b\n1,2\n", "t.csv").unwrap();
    assert_eq!(names.columns(), ["#a", "b"]);
    // a spreadsheet's "Unicode text"
    let units: Vec<u16> = "\u{feff}größe,b\r\n1,2\r\n".encode_utf16().collect();
    for bytes in [u16::to_le_bytes, u16::to_be_bytes].map(|to| units.iter().flat_map(|&u| to(u)).collect::<Vec<u8>>()) {
        let table = Csv::new().read_bytes(&bytes, Path::new("t.csv")).unwrap();
        assert_eq!((table.columns()[0].as_str(), table.len()), ("größe", 1));
    }
    let unmarked: Vec<u8> = "a,b\n1,2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(error(&unmarked).contains("UTF-16"), "{}", error(&unmarked));
    assert_eq!(error(b"a,b\nGr\xf6\xdfe,2\n"), "t.csv: line 2 is no text in UTF-8 (byte 0xf6); save it as UTF-8");
}

/// A table takes little more memory than its file, and the search for two columns of one name takes linear time.
#[test]
fn many_rows_and_many_columns_take_what_they_should() {
    let text = "a\n".to_owned() + &"1\n".repeat(1_000_000);
    let table = parse(Csv::new(), &text);
    assert_eq!((table.len(), table.numbers::<f32>("a").unwrap().sum()), (1_000_000, 1e6));
    let names: Vec<String> = (0..80_000).map(|k| format!("c{k}")).collect();
    let wide = parse(Csv::new(), &names.join(","));
    assert_eq!(wide.columns().len(), 80_000);
}
