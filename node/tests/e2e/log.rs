//! What a process writes, kept while it runs.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

/// Lines shown when a test fails.
const TAIL: usize = 60;

/// One stream of a child process. Read through a pipe by a thread, so that no limit on the child's
/// files applies to it.
#[derive(Debug)]
pub(crate) struct Log {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Log {
    /// Keeps everything that comes out of `stream`.
    pub(crate) fn keep(stream: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_str(&String::from_utf8_lossy(&line));
                kept.push('\n');
            }
        });
        Self { text, reader: Some(reader) }
    }

    /// What was written so far.
    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last lines.
    pub(crate) fn tail(&self) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL)..].join("\n")
    }

    /// All of it, once the process has ended.
    pub(crate) fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            drop(reader.join());
        }
        self.text()
    }
}
