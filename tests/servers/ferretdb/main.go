// FerretDB on SQLite, for tests: ferretdb ADDRESS FOLDER speaks MongoDB's protocol at ADDRESS until it is ended.
//
// FerretDB finds what an update matches, and then writes it: two updates at once may both find what only one of them may
// change, where MongoDB changes a document in one step. So commands that write are let through one at a time.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

const (
	headerBytes = 16
	opMsg       = 2013
	moreToCome  = 1 << 1
	// Its flags, the kind of its first section, the length of that document, and the type of its first field.
	nameAt = headerBytes + 4 + 1 + 4 + 1
)

var writes = map[string]bool{
	"insert": true, "update": true, "delete": true, "findAndModify": true,
	"create": true, "createIndexes": true, "drop": true, "dropDatabase": true,
}

// readMessage reads one message of the wire protocol: its length, in the first four bytes, counts itself.
func readMessage(from io.Reader) ([]byte, error) {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < headerBytes {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, length)
	copy(message, header)
	_, err := io.ReadFull(from, message[headerBytes:])
	return message, err
}

func isMessage(message []byte) bool {
	return len(message) > nameAt && binary.LittleEndian.Uint32(message[12:]) == opMsg
}

func isAnswered(message []byte) bool {
	return !isMessage(message) || binary.LittleEndian.Uint32(message[headerBytes:])&moreToCome == 0
}

// isWrite looks at the first field of a command, which names it.
func isWrite(message []byte) bool {
	if !isMessage(message) {
		return false
	}
	name, _, _ := bytes.Cut(message[nameAt:], []byte{0})
	return writes[string(name)]
}

// passOn passes a client's messages on and their answers back; writes while no other client's write is under way.
func passOn(client net.Conn, server string, gate *sync.Mutex) {
	defer client.Close()
	behind, err := net.Dial("unix", server)
	if err != nil {
		return
	}
	defer behind.Close()
	pass := func(message []byte) ([]byte, error) {
		if isWrite(message) {
			gate.Lock()
			defer gate.Unlock()
		}
		if _, err := behind.Write(message); err != nil || !isAnswered(message) {
			return nil, err
		}
		return readMessage(behind)
	}
	for {
		message, err := readMessage(client)
		if err != nil {
			return
		}
		answer, err := pass(message)
		if err != nil {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

func main() {
	address, folder := os.Args[1], os.Args[2]
	socket := filepath.Join(folder, "socket")
	// One that was killed has left it behind.
	os.Remove(socket)
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: socket},
		Handler:   "sqlite",
		SQLiteURL: "file:" + folder + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		log.Fatal(err)
	}
	var gate sync.Mutex
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go passOn(client, socket, &gate)
		}
	}()
	ended, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := server.Run(ended); err != nil {
		log.Fatal(err)
	}
}
