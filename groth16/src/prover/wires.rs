//! A set of wires of one circuit.

/// Wires by number, each once, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct WireSet(Vec<usize>);

impl WireSet {
    /// The number of the highest wire, if there is any.
    pub(crate) fn highest(&self) -> Option<usize> {
        self.0.last().copied()
    }

    /// Where `wire` is among them.
    pub(crate) fn position(&self, wire: usize) -> Option<usize> {
        self.0.binary_search(&wire).ok()
    }

    /// Whether `wire` is among them.
    pub fn contains(&self, wire: usize) -> bool {
        self.position(wire).is_some()
    }

    /// The wires in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<usize> for WireSet {
    fn from_iter<I: IntoIterator<Item = usize>>(wires: I) -> Self {
        let mut wires: Vec<usize> = wires.into_iter().collect();
        wires.sort_unstable();
        wires.dedup();
        Self(wires)
    }
}
