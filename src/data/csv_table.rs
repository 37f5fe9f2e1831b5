//! Tables of text by rows, with errors that name row and column (RFC 4180, any delimiter). Knows no column by name.

use crate::data::lines::TextError;
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes of the longest row that is no damage, such as a quote that never ends.
const LONGEST_ROW: u64 = 64 << 20;

/// A table open for one pass.
pub struct CsvTable<R> {
    file: String,
    reader: Reader<Metered<R>>,
    /// Bytes read since the last row.
    read: Rc<Cell<u64>>,
    columns: Vec<String>,
    row: ByteRecord,
    /// Rows begun, the names included.
    rows: u64,
}

impl<R: Read> CsvTable<R> {
    /// `file` is the name for messages. With `header`, the first row names the columns.
    pub fn open(file: &str, reader: R, delimiter: u8, header: bool) -> Result<CsvTable<R>, TextError> {
        let read = Rc::new(Cell::new(0));
        let metered = Metered { inner: reader, read: read.clone() };
        let reader = ReaderBuilder::new().delimiter(delimiter).has_headers(false).from_reader(metered);
        let mut table =
            CsvTable { file: file.to_string(), reader, read, columns: Vec::new(), row: ByteRecord::new(), rows: 0 };
        if header {
            match table.next_row()? {
                Some(row) => {
                    let names = (0..row.len()).map(|column| row.text(column).map(str::to_string));
                    table.columns = names.collect::<Result<_, _>>()?;
                }
                None => return Err(table.error(1, "expected a row of column names, found an empty file".into())),
            }
        }
        Ok(table)
    }

    /// The names of the first row; empty without header.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where a column is.
    pub fn column(&self, name: &str) -> Result<usize, TextError> {
        let place = self.columns.iter().position(|column| column == name);
        place.ok_or_else(|| self.error(1, format!("expected a column `{name}`, found {}", self.columns.join(", "))))
    }

    /// The next row; all rows have as many fields as the first. Blank lines are passed over. `None` at the end.
    pub fn next_row(&mut self) -> Result<Option<CsvRow<'_>>, TextError> {
        self.read.set(0);
        self.rows += 1;
        match self.reader.read_byte_record(&mut self.row) {
            Ok(false) => Ok(None),
            Ok(true) => {
                Ok(Some(CsvRow { file: &self.file, row: self.rows, columns: &self.columns, record: &self.row }))
            }
            Err(e) => {
                let problem = match e.kind() {
                    csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                        format!("expected {expected_len} fields, found {len}")
                    }
                    _ => e.to_string(),
                };
                Err(self.error(self.rows, problem))
            }
        }
    }

    fn error(&self, row: u64, problem: String) -> TextError {
        TextError { file: self.file.clone(), row, problem }
    }
}

/// One row.
pub struct CsvRow<'t> {
    file: &'t str,
    row: u64,
    columns: &'t [String],
    record: &'t ByteRecord,
}

impl CsvRow<'_> {
    /// Number of fields.
    pub fn len(&self) -> usize {
        self.record.len()
    }

    pub fn is_empty(&self) -> bool {
        self.record.is_empty()
    }

    /// Its number from 1, the row of names included and blank lines not.
    pub fn number(&self) -> u64 {
        self.row
    }

    pub fn text(&self, column: usize) -> Result<&str, TextError> {
        let bytes = self.record.get(column);
        let bytes = bytes.ok_or_else(|| self.error(column, format!("expected a field, the row has {}", self.len())))?;
        std::str::from_utf8(bytes).map_err(|_| self.error(column, "expected text, found what is not UTF-8".into()))
    }

    pub fn float(&self, column: usize) -> Result<f64, TextError> {
        let text = self.text(column)?.trim();
        text.parse().map_err(|_| self.error(column, format!("expected a number, found `{text}`")))
    }

    pub fn integer(&self, column: usize) -> Result<i64, TextError> {
        let text = self.text(column)?.trim();
        text.parse().map_err(|_| self.error(column, format!("expected an integer, found `{text}`")))
    }

    /// An error in a field of this row.
    pub fn error(&self, column: usize, problem: String) -> TextError {
        let place = match self.columns.get(column) {
            Some(name) => format!("column `{name}`"),
            None => format!("column {}", column + 1),
        };
        TextError { file: self.file.to_string(), row: self.row, problem: format!("{place}: {problem}") }
    }
}

/// Stops where a single row asks for too many bytes.
struct Metered<R> {
    inner: R,
    read: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.read.get() > LONGEST_ROW {
            return Err(io::Error::other(format!("a row longer than {LONGEST_ROW} bytes; is a quote left open?")));
        }
        let count = self.inner.read(out)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::CsvTable;
    use std::io::Read;

    #[test]
    fn quotes_numbers_and_names() {
        let text = "\u{feff}files,labels,n\r\na.wav,\"Bark,Dog \"\"x\"\"\",1.5\n\nb,\"two\nlines\",-2\n";
        let mut table = CsvTable::open("x.csv", text.as_bytes(), b',', true).unwrap();
        assert_eq!(table.columns(), ["files", "labels", "n"]);
        assert_eq!(table.column("labels").unwrap(), 1);
        assert_eq!(
            table.column("z").unwrap_err().to_string(),
            "x.csv, row 1: expected a column `z`, found files, labels, n"
        );
        let row = table.next_row().unwrap().unwrap();
        assert_eq!((row.text(1).unwrap(), row.float(2).unwrap(), row.number()), ("Bark,Dog \"x\"", 1.5, 2));
        assert_eq!(
            row.integer(2).unwrap_err().to_string(),
            "x.csv, row 2: column `n`: expected an integer, found `1.5`"
        );
        assert!(row.text(3).is_err() && row.len() == 3 && !row.is_empty());
        let row = table.next_row().unwrap().unwrap();
        assert_eq!((row.text(1).unwrap(), row.integer(2).unwrap(), row.number()), ("two\nlines", -2, 3));
        assert!(table.next_row().unwrap().is_none());
    }

    #[test]
    fn damage() {
        let read = |text: &[u8]| {
            let mut table = CsvTable::open("x.tsv", text, b'\t', false)?;
            while let Some(row) = table.next_row()? {
                row.float(0)?;
            }
            Ok::<_, crate::data::lines::TextError>(())
        };
        assert_eq!(read(b"1\t2\n3\n").unwrap_err().to_string(), "x.tsv, row 2: expected 2 fields, found 1");
        assert!(read(b"1\nx\n").unwrap_err().to_string().contains("row 2: column 1: expected a number"));
        assert!(read(b"\xff\n").unwrap_err().to_string().contains("UTF-8"));
        assert!(CsvTable::open("x.csv", &b""[..], b',', true).is_err());
        let endless = b"\"".chain(std::io::repeat(b'a'));
        let mut table = CsvTable::open("x.csv", endless, b',', false).unwrap();
        assert!(table.next_row().err().unwrap().to_string().contains("longer than"));
    }
}
