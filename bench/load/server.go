package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// A server is one that is measured: where it serves and where it takes control requests, and its processes.
type server struct {
	name    string
	address string
	control string
	pids    []int
}

// ticks are how many units of /proc/PID/stat a second has, on every Linux that Go runs on.
const ticks = 100

// newServer reads NAME=HOST:PORT,HOST:CONTROLPORT.
func newServer(text string) (*server, error) {
	name, addresses, found := strings.Cut(text, "=")
	address, control, both := strings.Cut(addresses, ",")
	if !found || !both {
		return nil, fmt.Errorf("%q: write NAME=HOST:PORT,HOST:CONTROLPORT", text)
	}
	s := &server{name: name, address: address, control: control}
	pids, err := s.ask("/pid")
	if err != nil {
		return nil, err
	}
	for _, word := range strings.Fields(pids) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%s: /pid: %w", name, err)
		}
		s.pids = append(s.pids, pid)
	}
	return s, nil
}

func (s *server) ask(path string) (string, error) {
	response, err := http.Get("http://" + s.control + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", s.name, path, body)
	}
	return string(body), err
}

// cpu returns what the processes have used so far.
func (s *server) cpu() (time.Duration, error) {
	total := 0
	for _, pid := range s.pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		// The command's name may hold spaces; utime and stime are the 14th and the 15th field.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] {
			n, err := strconv.Atoi(field)
			if err != nil {
				return 0, err
			}
			total += n
		}
	}
	return time.Duration(total) * time.Second / ticks, nil
}

// memory returns the resident memory in megabytes: as it is now, and the most that there ever was.
func (s *server) memory() (now, peak float64, err error) {
	for _, pid := range s.pids {
		file, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, 0, err
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text())
			if len(fields) < 2 || fields[0] != "VmRSS:" && fields[0] != "VmHWM:" {
				continue
			}
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, 0, err
			}
			if megabytes := float64(n) * 1024 / 1e6; fields[0] == "VmRSS:" {
				now += megabytes
			} else {
				peak += megabytes
			}
		}
	}
	return now, peak, nil
}

// settle waits until the processes have rested for a moment, three seconds at most, and returns what they have used so far.
func (s *server) settle() (time.Duration, error) {
	const tick, rest, patience = 10 * time.Millisecond, 5, 300
	last, err := s.cpu()
	for still, n := 0, 0; err == nil && still < rest && n < patience; n++ {
		time.Sleep(tick)
		var now time.Duration
		if now, err = s.cpu(); now == last {
			still++
		} else {
			still, last = 0, now
		}
	}
	return last, err
}
