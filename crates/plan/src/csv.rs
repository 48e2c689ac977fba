//! Problems as CSV, in the format of minimalloc: so that this planner can be asked about others' problems.

use crate::{Buffer, PlanError};

const REQUIRED: [&str; 4] = ["id", "lower", "upper", "size"];
const OPTIONAL: [&str; 2] = ["alignment", "offset"];

/// Reads buffers from lines of numbers under a header that names the columns, in any order: `id`, `lower` and `upper`
/// (the half-open lifetime in steps), `size` (bytes) and optionally `alignment` (bytes, 1 if absent). A column `offset`
/// belongs to a plan rather than to the problem and is ignored.
///
/// # Errors
/// [`PlanError::Csv`] with the line if the text is not such a table, or the error of a buffer that cannot be placed.
pub fn read_csv(text: &str) -> Result<Vec<Buffer>, PlanError> {
    let mut lines = text.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let (header, line) = lines.next().unwrap_or(("", 1));
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    let error = |reason: String| Err(PlanError::Csv { line, reason });
    for (i, name) in columns.iter().enumerate() {
        if !REQUIRED.contains(name) && !OPTIONAL.contains(name) {
            return error(format!("unknown column \"{name}\""));
        }
        if columns[..i].contains(name) {
            return error(format!("column \"{name}\" appears twice"));
        }
    }
    if let Some(name) = REQUIRED.iter().find(|name| !columns.contains(name)) {
        return error(format!("no column \"{name}\""));
    }
    lines.map(|(record, line)| read_record(&columns, record, line)).collect()
}

fn read_record(columns: &[&str], record: &str, line: usize) -> Result<Buffer, PlanError> {
    let fields: Vec<&str> = record.split(',').map(str::trim).collect();
    if fields.len() != columns.len() {
        let reason = format!("{} fields under {} columns", fields.len(), columns.len());
        return Err(PlanError::Csv { line, reason });
    }
    let (mut id, mut start, mut end, mut size, mut align) = (0, 0, 0, 0, 1);
    for (&column, field) in columns.iter().zip(fields) {
        let read = match column {
            "id" => field.parse().map(|value| id = value),
            "lower" => field.parse().map(|value| start = value),
            "upper" => field.parse().map(|value| end = value),
            "size" => field.parse().map(|value| size = value),
            "alignment" => field.parse().map(|value| align = value),
            _ => Ok(()),
        };
        read.map_err(|e| PlanError::Csv { line, reason: format!("{column} \"{field}\": {e}") })?;
    }
    let buffer = Buffer::whole(id, start, end, size, align);
    buffer.check()?;
    Ok(buffer)
}
