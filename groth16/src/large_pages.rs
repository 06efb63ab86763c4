//! Memory for rows that are read in no order.

use crate::lanes::Row;

/// An empty vector with space for `count` rows, in large pages where the system has them.
///
/// A sum reads its table at places all over it. With pages of 4 KiB the processor has to look up most of
/// those places' pages too, which takes longer than to read the row.
pub(crate) fn rows_with_capacity(count: usize) -> Vec<Row> {
    let mut rows = Vec::with_capacity(count);
    #[cfg(target_os = "linux")]
    advise(&mut rows);
    rows
}

/// Asks for large pages. It is advice: without them everything is as right and somewhat slower.
#[cfg(target_os = "linux")]
fn advise(rows: &mut Vec<Row>) {
    use rustix::mm::{Advice, madvise};

    let page = rustix::param::page_size();
    let space = rows.spare_capacity_mut();
    let start = space.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(page);
    let Some(length) = size_of_val(space).checked_sub(skipped).map(|length| length / page * page) else {
        return;
    };
    if length == 0 {
        return;
    }
    // SAFETY: the range is whole pages within the vector's own allocation, and this advice changes how
    // they are backed, never what they hold. A refusal changes nothing.
    let _ = unsafe { madvise(start.wrapping_add(skipped).cast(), length, Advice::LinuxHugepage) };
}
