//! The name that was probably meant.

/// The candidate that is fewest edits (insert, delete, replace, swap of neighbours) away from `word`, at most a third of
/// its length and at most 3; the first of equals. Both are compared as ASCII without case.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (word.chars().count() / 3).clamp(1, 3);
    let mut best = None;
    for candidate in candidates {
        let within = best.map_or(bound, |(distance, _): (usize, &str)| distance - 1);
        if let Some(distance) = edits(word, candidate, within) {
            best = Some((distance, candidate));
            if distance == 0 {
                break;
            }
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// How many edits turn `a` into `b`, without case; `None` when more than `max`. Long words cost nothing: at most
/// `max` characters of difference in length are tried, and only words of up to 64 characters.
pub fn edits(a: &str, b: &str, max: usize) -> Option<usize> {
    let letters = |text: &str| -> Vec<char> { text.chars().take(65).map(|c| c.to_ascii_lowercase()).collect() };
    let (a, b) = (letters(a), letters(b));
    if a.len() > 64 || b.len() > 64 || a.len().abs_diff(b.len()) > max {
        return None;
    }
    let mut before = vec![0; b.len() + 1];
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut current = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = previous[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            current[j] = replaced.min(previous[j] + 1).min(current[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                current[j] = current[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut previous, current);
    }
    let distance = previous[b.len()];
    (distance <= max).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        assert_eq!(nearest("discription", ["description", "name"]), Some("description"));
        assert_eq!(nearest("nmae", ["description", "name"]), Some("name"));
        assert_eq!(nearest("zebra", ["description", "name"]), None);
        assert_eq!(nearest("a", ["b"]), Some("b"));
        assert_eq!(nearest("Description", ["description"]), Some("description"));
        assert_eq!(edits("ab", "ba", 1), Some(1));
        assert_eq!(edits(&"x".repeat(100_000), "x", 3), None);
    }
}
