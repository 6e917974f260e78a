//! Packets around the bytes of an answer.

use super::request::SideBand;
use crate::pkt::{self, Band};

/// Bytes of a packet of the small side band, header included.
const SMALL_PACKET_BYTES: usize = 1_000;
/// Bytes of a packet's length and band.
const PREFIX_BYTES: usize = 5;

/// Collects an answer: lines first, then the pack in as few packets as it takes.
pub struct Frame {
    out: Vec<u8>,
    band: SideBand,
    /// Where the packet that is being filled begins.
    open: Option<usize>,
}

impl Frame {
    /// Continues `out`.
    pub fn new(out: Vec<u8>, band: SideBand) -> Self {
        Self { out, band, open: None }
    }

    fn packet_bytes_max(&self) -> usize {
        match self.band {
            SideBand::Large => pkt::DATA_BYTES_MAX + 4,
            SideBand::Small => SMALL_PACKET_BYTES,
            SideBand::None => usize::MAX,
        }
    }

    /// Appends bytes of the pack.
    pub fn data(&mut self, mut bytes: &[u8]) {
        if self.band == SideBand::None {
            self.out.extend_from_slice(bytes);
            return;
        }
        let max = self.packet_bytes_max();
        while !bytes.is_empty() {
            let start = match self.open {
                Some(start) => start,
                None => {
                    let start = self.out.len();
                    self.out.extend_from_slice(b"0000\x01");
                    self.open = Some(start);
                    start
                }
            };
            let room = max - (self.out.len() - start);
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.out.extend_from_slice(now);
            bytes = rest;
            if self.out.len() - start == max {
                self.close();
            }
        }
    }

    /// Ends the packet that is being filled.
    pub fn close(&mut self) {
        if let Some(start) = self.open.take() {
            let length = format!("{:04x}", self.out.len() - start);
            self.out[start..start + 4].copy_from_slice(length.as_bytes());
        }
    }

    /// Appends words for the person, where there is a band for them.
    pub fn progress(&mut self, words: &str) {
        if self.band == SideBand::None {
            return;
        }
        self.close();
        let step = self.packet_bytes_max() - PREFIX_BYTES;
        for part in words.as_bytes().chunks(step) {
            pkt::write_band(&mut self.out, Band::Progress, part);
        }
    }

    /// Ends the answer.
    pub fn end(&mut self) {
        self.close();
        if self.band != SideBand::None {
            self.out.extend_from_slice(pkt::FLUSH);
        }
    }

    /// How much there is.
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Takes what there is, all packets closed.
    pub fn take(&mut self) -> Vec<u8> {
        self.close();
        std::mem::take(&mut self.out)
    }

    /// Takes memory for `bytes` bytes of pack.
    pub fn reserve(&mut self, bytes: usize) {
        let packets = bytes / self.packet_bytes_max().min(pkt::DATA_BYTES_MAX) + 1;
        self.out.reserve(bytes + packets * PREFIX_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt::{Packet, Reader};

    #[test]
    fn packets_are_full_but_the_last() {
        for (band, max) in [(SideBand::Small, 1_000), (SideBand::Large, 65_520)] {
            let mut frame = Frame::new(b"0004".to_vec(), band);
            let bytes: Vec<u8> = (0..200_000u32).map(|at| at as u8).collect();
            frame.data(&bytes[..10]);
            frame.data(&bytes[10..]);
            frame.progress("words");
            frame.end();
            let out = frame.take();
            let mut reader = Reader::new(&out[4..]);
            let mut back = Vec::new();
            let mut lengths = Vec::new();
            while let Some(Packet::Data(data)) = reader.next_packet().expect("packets") {
                if data[0] == 1 {
                    lengths.push(data.len() + 4);
                    back.extend_from_slice(&data[1..]);
                } else {
                    assert_eq!(data, b"\x02words");
                }
            }
            assert_eq!((back, reader.rest()), (bytes, &b""[..]));
            assert!(lengths[..lengths.len() - 1].iter().all(|length| *length == max));
        }
    }

    #[test]
    fn without_a_band_there_is_only_the_pack() {
        let mut frame = Frame::new(b"0008NAK\n".to_vec(), SideBand::None);
        frame.data(b"PACK");
        frame.progress("words");
        frame.end();
        assert_eq!(frame.take(), b"0008NAK\nPACK");
    }
}
