//! The statements of queries. There is one text for every shape of a query, so each is prepared once a
//! connection.
//!
//! Each shape is bound to one index, whatever the server believes about its data: rows are ordered by all
//! columns of that index, and only the index gives that order without sorting. `topic = ANY (ARRAY[..])`
//! enters an index as `topic = ..` does, but does not tell the planner that the order by time is the same
//! for all indexes. Told so, it may read by time and throw away what has other topics, which is quick until
//! a topic is rare.
//!
//! The bounds of time are there twice. The plain ones leave out partitions; the rows tell where an index is
//! entered and left. An index is left in time only if what comes before the time in it is compared for
//! equality, so there is one column for both topics.

use weir_core::store::Direction;

/// What the rows of an answer carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) direction: Direction,
    /// Whether records are read.
    pub(super) data: bool,
    /// Whether a pubsub topic is given.
    pub(super) topic: bool,
    /// Whether content topics are given.
    pub(super) content: bool,
}

/// How the planner is told which partitions given places are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Places {
    /// By each of them. The server tries each timestamp for each place, so they must be few.
    Few,
    /// By the time from the first to the last.
    Near,
}

impl Shape {
    /// Messages in a range of places.
    ///
    /// $1, $2: first and last timestamp of the partitions; $3, $4 and $5, $6: the places before and after;
    /// $7: how many; $8: the pubsub topic, or the content topics, or the keys of both.
    pub(super) fn in_range(self) -> String {
        let order = self.order();
        let columns = self.columns();
        let (source, key, value) = match (self.topic, self.content) {
            (false, false) => ("", "", ""),
            (true, false) => ("", "topic", "$8::integer"),
            (true, true) => ("unnest($8::bytea[]) AS k (pair)", "pair", "k.pair"),
            // Any pubsub topic is one of those that there are.
            (false, true) => (
                "unnest($8::bytea[]) AS c (content) CROSS JOIN weir.topic t",
                "pair",
                "substr(sha256(int4send(t.topic) || c.content), 1, 16)",
            ),
        };
        let (condition, first) = match key {
            "" => (String::new(), String::new()),
            key => (format!("AND {key} = ANY (ARRAY[{value}])"), format!("{key} {order}, ")),
        };
        let select = format!(
            "SELECT {columns} FROM weir.message m WHERE ts BETWEEN $1 AND $2 {condition} \
             AND (ts, hash) > ($3, $4) AND (ts, hash) < ($5, $6) \
             ORDER BY {first}ts {order}, hash {order} LIMIT $7"
        );
        match source {
            "" => select,
            source => format!(
                "SELECT f.* FROM {source} CROSS JOIN LATERAL ({select}) f \
                 ORDER BY f.ts {order}, f.hash {order} LIMIT $7"
            ),
        }
    }

    /// Messages of given places.
    ///
    /// $1, $2: timestamps and hashes; $3: how many; then the pubsub topic, the content topics, and, when places
    /// are [`Places::Near`], the first and the last timestamp.
    pub(super) fn at_places(self, places: Places) -> String {
        let order = self.order();
        let columns = self.columns();
        let mut numbers = 4..;
        let mut next = || numbers.next().expect("there is always a next one");
        let topic = if self.topic { format!("AND topic = ${}", next()) } else { String::new() };
        let content =
            if self.content { format!("AND content = ANY(${}::bytea[])", next()) } else { String::new() };
        let pruned = match places {
            Places::Few => "ts = ANY($1::bigint[])".to_owned(),
            Places::Near => format!("ts BETWEEN ${} AND ${}", next(), next()),
        };
        // OFFSET 0 keeps the two conditions on the place together; else the server may read all messages of a
        // moment and compare hashes afterwards.
        format!(
            "SELECT f.* FROM unnest($1::bigint[], $2::bytea[]) AS p (at, name) CROSS JOIN LATERAL (\
             SELECT {columns} FROM weir.message m WHERE {pruned} AND ts = p.at AND hash = p.name \
             {topic} {content} OFFSET 0) f ORDER BY f.ts {order}, f.hash {order} LIMIT $3"
        )
    }

    const fn columns(self) -> &'static str {
        if self.data { "m.ts, m.hash, m.topic, m.record" } else { "m.ts, m.hash" }
    }

    const fn order(self) -> &'static str {
        match self.direction {
            Direction::Forward => "ASC",
            Direction::Backward => "DESC",
        }
    }
}

/// Timestamps that messages may have whose hashes begin with given keys; $1: keys, $2, $3: the range of time.
pub(super) const LOOK_UP: &str =
    "SELECT key, ts FROM weir.lookup WHERE key = ANY($1::bigint[]) AND ts BETWEEN $2 AND $3";
